"""What a text feels, and what each word adds."""
