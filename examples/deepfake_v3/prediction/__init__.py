"""Scores of many images, on one machine or on many."""
