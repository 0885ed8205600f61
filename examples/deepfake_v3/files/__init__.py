"""Files that are whole: models, their cards, other formats."""
