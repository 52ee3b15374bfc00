"""What a hub keeps: letters, their chunks, who its members are and which studies are open."""
