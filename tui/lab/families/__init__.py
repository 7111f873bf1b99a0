"""What is what: BERT, DistilBERT, GPT."""
