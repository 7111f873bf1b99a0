"""The Models screen: its list, its dialogs, and one download at a time."""
