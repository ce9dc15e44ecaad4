"""Every sentence on screen or spoken, by language."""
