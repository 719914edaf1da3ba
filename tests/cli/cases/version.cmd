fairvisor version
