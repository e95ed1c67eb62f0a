"""Who runs the loop: on the device, over chunks, on the host, on a sample, many side by side."""
