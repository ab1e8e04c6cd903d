"""The parts from which `make_demo.py` builds the demo capture. Standard library only."""
