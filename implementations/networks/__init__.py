"""Networks: one description, a finite network and its infinite-width limit."""
