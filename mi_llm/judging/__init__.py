"""A volley coded with MITI by a language model: what is asked, and what the answer counts for."""
