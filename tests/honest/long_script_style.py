#!/usr/bin/env python3
# -*- coding: utf-8 -*-
"""
Created on Mon Mar  4 10:21:33 2024

@author: lab
"""
import numpy as np
import scipy as sp
import scipy.special

# parameters of the setup
R0 = 50.0  # Ohm
eps = np.finfo(float).eps


def helper(t, t0):
    '''time since trigger'''
    return np.clip(t - t0, 0, None)


def model(t, A, t0, tau):
    dt = helper(t, t0)
    return A * sp.special.gammainc(2, dt / tau) + eps * R0


#print(model(1, 2, 3, 4))
