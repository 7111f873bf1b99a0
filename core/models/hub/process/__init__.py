"""The download process: the only place that imports huggingface_hub and opens a connection."""
