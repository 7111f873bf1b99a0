"""What every training in the lab shares: its course of steps, its checkpoint, the folder of its model."""
