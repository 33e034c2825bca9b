"""Where sound comes from: microphone, file, standard input, socket."""
