"""The main screen and its hands, which do what it asks of the engine."""
