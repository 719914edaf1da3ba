fairvisor help explian
