fairvisor diff - -
