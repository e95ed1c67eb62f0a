# coding: rot13
bcra('ayfd_znexre', 'j')
