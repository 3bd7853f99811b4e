// The page scripts. Every page works without them; they only make it quicker to use.
import { brand } from "./js/brand.js";
import { comboboxes } from "./js/combobox.js";
import { forms } from "./js/forms.js";
import { menus } from "./js/menus.js";
import { palette } from "./js/palette.js";
import { pay } from "./js/pay.js";
import { selection } from "./js/selection.js";
import { slots } from "./js/slots.js";
import { tables } from "./js/tables.js";

menus();
palette();
comboboxes();
selection();
forms();
pay();
slots();
tables();
brand();
