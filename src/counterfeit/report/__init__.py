"""Figures and pages made from run folders."""
