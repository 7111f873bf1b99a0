"""What crosses between interface and engine: records, settings, requests and events, their JSON."""
