"""The smallest topic of the lab: a text is written backwards. Its four files, as they would stand in their rooms."""
