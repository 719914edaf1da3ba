fairvisor kill --list --for 1h
