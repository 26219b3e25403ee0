// Package price holds what models cost, and prices answers by that.
//
// Owns: the built-in table of prices, prices.tsv, which `make prices` writes; the search for the row of a model.
// Never does: fetch prices; guess the price of a model that has no row.
// Start at: For.
package price
