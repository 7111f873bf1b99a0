"""The models themselves: loading, devices, precisions, the lean GPT-2, encoders and causal models."""
