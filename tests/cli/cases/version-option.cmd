fairvisor --version
