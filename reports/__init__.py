"""How evidence is shown: tables, pages, figures and summaries, all read from the evidence alone."""
