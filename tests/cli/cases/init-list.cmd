fairvisor init --list
