fairvisor connect --list
