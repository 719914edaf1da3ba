fairvisor kill --list --json
