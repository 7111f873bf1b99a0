"""What lies on disk: model folders and gguf files, known and checked before anything of them is loaded."""
