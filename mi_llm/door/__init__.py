"""How a language model is asked: the parts behind `mi_llm.llm`."""
