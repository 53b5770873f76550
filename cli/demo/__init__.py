"""`driftline demo`: six weeks of real flights through the whole loop, in event time, as fast as the machine allows."""
