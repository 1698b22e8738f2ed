"""Models for the recipes: Baichuan2 in Llama form, and tiny stand-ins."""
