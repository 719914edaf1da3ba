fairvisor --help
