def write(x): return []
