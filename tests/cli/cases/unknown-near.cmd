fairvisor validat x
