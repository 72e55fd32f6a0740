"""What is known of the files of image and video models: listed sizes, estimated ones, and their names."""
