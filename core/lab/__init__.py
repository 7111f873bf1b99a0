"""What the lab asks and answers: frozen records by topic, one module each; `catalogue` lists those of the engine."""
