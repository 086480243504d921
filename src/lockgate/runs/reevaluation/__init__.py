"""Judge stored evidence under another policy: no model answers, no data is read."""
