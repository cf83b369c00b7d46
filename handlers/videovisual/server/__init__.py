"""Classification and explanation as a service; an adapter puts it behind a server's routes."""
