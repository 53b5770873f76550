"""What is said as windows close: on their data, on silent feeds, on versions beside the champion."""
