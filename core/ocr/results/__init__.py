"""What a reading is: lines, regions, their order, and their JSON."""
