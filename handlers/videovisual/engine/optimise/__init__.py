"""How a frozen network is made fast without changing what it computes beyond rounding."""
