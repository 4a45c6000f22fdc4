"""How a claim is put to the test: scenarios, trials, deciders, evidence, and the run that joins them."""
