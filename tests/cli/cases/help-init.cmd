fairvisor help init
