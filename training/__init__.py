"""Recipes that rebuild the starter models: train, distil, pack, describe and measure them."""
