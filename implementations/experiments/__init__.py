"""What puts data, training and attacks together: from plain values to arrays, and from arrays to tables."""
