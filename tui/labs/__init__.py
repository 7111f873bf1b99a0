"""The panes of the lab, one a file; `all_labs` lists them."""
