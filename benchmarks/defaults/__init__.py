"""Which frames, method and Grad-CAM layer answer best where a request names none."""
