"""Networks as data: exported programs, written and read without code and without pickles."""

from videovisual.zoo.program.network import Program as Program
