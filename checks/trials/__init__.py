"""One module per theorem, of the theorem's name: the measurements that its claims are decided on."""
