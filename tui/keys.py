"""The keys of the app as a table, which every help page ends with."""

KEYS_HELP = """\
## Keys

| key | what it does |
|---|---|
| Enter | run the prompt, or compare the sentences |
| ctrl+j | new line in the prompt |
| Esc | stop → close → back to the prompt |
| ctrl+r | run the last prompt again |
| ctrl+n | let the model write on |
| ctrl+l | conversations: open, search, delete; each saves itself |
| ctrl+t | new conversation |
| F2 F3 F4 F5 | conversation, tokens, sampling, similarity |
| F6 | the lab: fill masks, sentiment, attention and more; F7, F8 step through it |
| F8 | models: use, download, verify, delete |
| Tab, shift+Tab | next, previous field |
| ctrl+p | every command: models, presets, theme, screenshot |
| ctrl+q | quit |
"""
