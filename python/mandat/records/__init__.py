"""Sealed call records: opening those that a disclosure warrant names, and saying how far back records are held."""
